export const Twin = () => <p>Twin</p>;
